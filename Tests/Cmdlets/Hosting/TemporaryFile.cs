namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>A file that goes with its owner.</summary>
public sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string contents, string extension = ".yaml")
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"vm-migration-test-{Guid.NewGuid():N}{extension}");
        File.WriteAllText(Path, contents);
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
