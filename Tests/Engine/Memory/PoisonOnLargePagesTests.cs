using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Hosts;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// Poison in a RAM file that the kernel may gather on large pages: gathering drops the marks in everybody's page tables, so nobody's
/// mapping may be gathered there.
/// </summary>
public sealed class PoisonOnLargePagesTests : IDisposable
{
    private const int CallOpen = 2;
    private const int CallMmap = 9;
    private const ulong OpenReadWrite = 2;
    private const ulong ProtectionReadWrite = 3;
    private const ulong MapSharedFixed = 0x11;
    private const ulong MapPrivateAnonymous = 0x22;
    private const long Region = 2 << 20;
    private const long Poisoned = 5;

    private readonly ScratchDirectory mountPoint = new();
    private readonly ForeignProcess process = ForeignProcess.Sleeping();
    private readonly RamFileMemory ram;
    private readonly ulong address;

    public PoisonOnLargePagesTests()
    {
        // Large pages on request only: what is written by a system call is on small ones.
        FileSystemMount.Mount("tmpfs", "vmmigration-test", mountPoint.Path, "huge=advise");
        string path = Path.Combine(mountPoint.Path, "ram");
        File.WriteAllBytes(path, new byte[2 * Region]);
        ram = RamFileMemory.Open(path, 2 * Region);
        address = MapInside(path);
    }

    public void Dispose()
    {
        process.Dispose();
        ram.Dispose();
        Eventually.Holds(() => FileSystemMount.TryUnmount(mountPoint.Path));
        mountPoint.Dispose();
    }

    [Fact]
    public void The_mark_outlives_an_attempt_to_gather_its_surroundings_on_a_large_page()
    {
        Mark();
        TouchAll();
        Assert.Equal(CollapseOutcome.Impossible, ProcessMadvise.Collapse(process.PidFd, address, (ulong)Region));
        using var pagemap = new Pagemap(process.Id);
        Assert.True(pagemap.Read(address + (ulong)(Poisoned * GuestMemory.PageSizeBytes)).IsPoisonMarker);
    }

    [Fact]
    public void Neither_the_process_nor_the_engine_has_the_surroundings_gathered_and_the_rest_may_be()
    {
        Mark();
        Assert.Equal((true, false), (DeclinesLargePages(process.Id, address), DeclinesLargePages(process.Id, address + (ulong)Region)));
        ulong own = OwnAddress;
        int self = Environment.ProcessId;
        Assert.Equal((true, false), (DeclinesLargePages(self, own), DeclinesLargePages(self, own + (ulong)Region)));
    }

    private unsafe ulong OwnAddress => (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetReference(ram.ReceiveWindow(0, 1)));

    private void Mark()
    {
        new PoisonMarker(process.PidFd, address, 2 * Region, byMark: true).Mark([Poisoned]);
        ram.KeepSmall(Poisoned);
    }

    /// <summary>Maps the file as a VM's process does: shared, at an address that a large page could have.</summary>
    private ulong MapInside(string path)
    {
        ulong reserved = (ulong)Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(
            CallMmap, 0, (ulong)(3 * Region), ProtectionReadWrite, MapPrivateAnonymous, ulong.MaxValue, 0));
        using (SafeFileHandle contents = OpenFile.ForReadingAndWriting($"/proc/{process.Id}/mem"))
        {
            Assert.Equal(path.Length + 1, PositionalIo.Write(contents, (long)reserved, Encoding.ASCII.GetBytes(path + '\0')));
        }

        // Behind the path, which the mapping must not cover before it is opened.
        ulong aligned = (reserved + (ulong)Region) & ~(ulong)(Region - 1);
        long mapped = Ptrace.WhileStopped(process.PidFd, stopped =>
        {
            long descriptor = stopped.Call(CallOpen, reserved, OpenReadWrite, 0);
            return descriptor < 0 ? descriptor : stopped.Call(
                CallMmap, aligned, (ulong)(2 * Region), ProtectionReadWrite, MapSharedFixed, (ulong)descriptor, 0);
        });
        Assert.Equal((long)aligned, mapped);
        return aligned;
    }

    private void TouchAll()
    {
        using SafeFileHandle contents = OpenFile.ForReading($"/proc/{process.Id}/mem");
        for (long page = 0; page < Region / GuestMemory.PageSizeBytes; page++)
        {
            int count = PositionalIo.Read(contents, (long)address + (page * GuestMemory.PageSizeBytes), new byte[1]);
            Assert.Equal(page == Poisoned ? -Errno.EIO : 1, count);
        }
    }

    /// <summary>Whether the mapping at an address has the flag nh of smaps (proc_pid_smaps(5)).</summary>
    private static bool DeclinesLargePages(int processId, ulong address)
    {
        bool inside = false;
        foreach (string line in File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/smaps")))
        {
            if (!char.IsAsciiLetterUpper(line[0]))
            {
                ProcessMapping mapping = ProcessMaps.Parse(line);
                inside = mapping.Start <= address && address < mapping.End;
            }
            else if (inside && line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                return line.Split(' ').Contains("nh");
            }
        }

        throw new InvalidOperationException($"Nothing is mapped at 0x{address:x}.");
    }
}
