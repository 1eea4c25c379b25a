using System.Globalization;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>Adds pages of 2 MiB to the machine's pool, and gives them back.</summary>
internal sealed class ReservedLargePages : IDisposable
{
    private const string Setting = "/proc/sys/vm/nr_hugepages";

    private readonly int pages;

    public ReservedLargePages(int pages)
    {
        this.pages = pages;
        int before = Read();
        Write(before + pages);
        if (Read() == before + pages) return;
        Write(before);
        Assert.Fail($"This machine's memory is too fragmented to reserve {pages} pages of 2 MiB.");
    }

    public void Dispose() => Write(Read() - pages);

    private static int Read() =>
        int.Parse(File.ReadAllText(Setting), NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);

    private static void Write(int count) => File.WriteAllText(Setting, count.ToString(CultureInfo.InvariantCulture));
}
