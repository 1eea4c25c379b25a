using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Hosts;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

/// <summary>Against a directory that looks like /sys/kernel/mm.</summary>
public sealed class LargePageSettingsTests : IDisposable
{
    private readonly ScratchDirectory root = new();

    public void Dispose() => root.Dispose();

    [Theory]
    [InlineData("always within_size advise [never] deny force", false)]
    [InlineData("always within_size advise never [deny] force", true)]
    [InlineData("[always] within_size advise never deny force", false)]
    public void Only_deny_denies(string text, bool denied)
    {
        Write("transparent_hugepage/shmem_enabled", text + '\n');
        var settings = new LargePageSettings(root.Path);
        Assert.True(settings.HasHugeTmpfs);
        Assert.Equal(denied, settings.IsHugeTmpfsDenied);
    }

    [Fact]
    public void Pages_that_are_promised_are_not_free()
    {
        Write("hugepages/hugepages-2048kB/free_hugepages", "100\n");
        Write("hugepages/hugepages-2048kB/resv_hugepages", "30\n");
        Assert.Equal(70, new LargePageSettings(root.Path).FreePoolPages);
    }

    [Fact]
    public void A_kernel_without_large_pages_has_none()
    {
        var settings = new LargePageSettings(root.Path);
        Assert.False(settings.HasHugeTmpfs);
        Assert.False(settings.IsHugeTmpfsDenied);
        Assert.False(settings.HasPool);
        Assert.Equal(0, settings.FreePoolPages);
    }

    private void Write(string name, string text)
    {
        string path = Path.Combine(root.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
