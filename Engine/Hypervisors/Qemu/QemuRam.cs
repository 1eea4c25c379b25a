using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Where a QEMU process has its guest's RAM, and the engine's own way to it.</summary>
/// <param name="Memory">The RAM; every access throws where it is not a shared file.</param>
/// <param name="Address">Address of the RAM block in the process; 0 where it is unreachable.</param>
/// <param name="BlockName">Name of the RAM block on the migration stream of a QEMU that something else started; else empty.</param>
/// <param name="FilePath">Path of the file that backs it; null where it has none that can be opened.</param>
/// <param name="Obstacle">Why the engine cannot move it, in a sentence; null where it can.</param>
/// <param name="Backing">The pages it is on, whatever was asked for.</param>
internal sealed record QemuRam(
    GuestMemory Memory, ulong Address, string BlockName, string? FilePath, string? Obstacle, MemoryBacking Backing)
{
    /// <summary>The unit, in bytes, in which the kernel reports writes page by page: that of the pages the RAM is mapped by.</summary>
    public int PageSizeBytes => Backing == MemoryBacking.BasePages ? GuestMemory.PageSizeBytes : (int)LargePageSettings.PageSizeBytes;

    /// <summary>Finds the RAM of a QEMU that was started with this RAM file.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where it does not map the file as it should.
    /// </exception>
    public static QemuRam OfOwn(int processId, string ramFile, long sizeBytes)
    {
        ProcessMapping? mapping = ProcessMaps.FindFile(processId, ramFile);
        if (mapping is null || !mapping.IsShared || mapping.FileOffset != 0 || mapping.SizeBytes != sizeBytes)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"QEMU (process {processId}) does not share {sizeBytes} bytes of {ramFile}: {mapping}.");
        }

        SafeFileHandle file = OpenFile.ForReadingAndWriting(ramFile);
        string? obstacle = FindFileSystemObstacle(file);
        MemoryBacking backing = FindBacking(file, ramFile, processId, mapping.Start, sizeBytes);
        return new(new RamFileMemory(file, sizeBytes), mapping.Start, "", ramFile, obstacle, backing);
    }

    /// <summary>Asks a QEMU that something else started, and looks at its mappings.</summary>
    public static async Task<QemuRam> OfForeignAsync(QemuProcess process, CancellationToken cancellationToken)
    {
        string backend = await ReadPropertyAsync(process.Qmp, "/machine", "memory-backend", cancellationToken).ConfigureAwait(false) ?? "";
        string name = backend[(backend.LastIndexOf('/') + 1)..];
        JsonElement backends = await process.Qmp.ExecuteAsync("query-memdev", cancellationToken).ConfigureAwait(false);
        JsonElement[] matching = [.. backends.EnumerateArray()
            .Where(entry => entry.TryGetProperty("id", out JsonElement id) && id.GetString() == name)];
        if (name.Length == 0 || matching.Length != 1)
        {
            long total = backends.EnumerateArray().Sum(entry => entry.GetProperty("size").GetInt64());
            return Unreachable(total, name, "its RAM is not one block of one memory backend (-machine memory-backend=…).");
        }

        long size = matching[0].GetProperty("size").GetInt64();
        if (!matching[0].GetProperty("share").GetBoolean())
        {
            return Unreachable(size, name,
                "its RAM is private to QEMU. Start it with -object memory-backend-memfd,share=on and -machine memory-backend=….");
        }

        // Guest-physical address 0 is the start of the RAM block on every PC machine.
        ulong address = await ReadHostAddressAsync(process.Qmp, cancellationToken).ConfigureAwait(false);
        ProcessMapping? start = ProcessMaps.Read(process.Handle.ProcessId)
            .FirstOrDefault(line => line.Start <= address && address < line.End);
        ProcessMapping? whole = start is null ? null : ProcessMaps.FindFile(process.Handle.ProcessId, start.Path);
        if (whole is null || !whole.IsShared || whole.Start != address || whole.FileOffset != 0 || whole.SizeBytes != size)
        {
            return Unreachable(size, name, $"its RAM is not one shared mapping of one file: {whole}.");
        }

        string? path = await ReadPropertyAsync(process.Qmp, backend, "mem-path", cancellationToken).ConfigureAwait(false);
        SafeFileHandle file = ProcessMaps.OpenFileAt(process.Handle.ProcessId, address);
        string? obstacle = FindFileSystemObstacle(file);
        string? openable = path == whole.Path && File.Exists(path) ? path : null;
        MemoryBacking backing = FindBacking(file, openable, process.Handle.ProcessId, address, size);
        return new(new RamFileMemory(file, size), address, name, openable, obstacle, backing);
    }

    /// <summary>A property of QEMU's object tree as text; null where the object has none of that name.</summary>
    public static async Task<string?> ReadPropertyAsync(QmpClient qmp, string path, string property, CancellationToken cancellationToken)
    {
        var arguments = new JsonObject { ["path"] = path, ["property"] = property };
        try
        {
            JsonElement value = await qmp.ExecuteAsync("qom-get", arguments, cancellationToken).ConfigureAwait(false);
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.HypervisorFailed)
        {
            // "Property '…' not found": a memory backend without a file has no mem-path.
            return null;
        }
    }

    /// <summary>Writes are traced and pages populated in shared memory only (ioctl_userfaultfd(2)).</summary>
    private static string? FindFileSystemObstacle(SafeFileHandle file) => FileSystemType.Read(file) switch
    {
        FileSystemType.Tmpfs or FileSystemType.Hugetlbfs => null,
        _ => "The engine cannot move the guest's memory: its file is not on a tmpfs.",
    };

    /// <summary>
    /// A hugetlbfs has large pages only, a tmpfs where its mount says so. Of a file without a path there is only what the process has
    /// mapped.
    /// </summary>
    private static MemoryBacking FindBacking(SafeFileHandle file, string? path, int processId, ulong address, long sizeBytes)
    {
        if (FileSystemType.Read(file) == FileSystemType.Hugetlbfs) return MemoryBacking.HugeTlb;
        if (!LargePagePopulator.IsAligned(address, sizeBytes)) return MemoryBacking.BasePages;
        bool large = path is not null
            ? MountTable.FindHolding(path) is { GivesHugePages: true }
            : LargePageUse.Read(processId, address, address + (ulong)sizeBytes) is var use && use.LargeBytes > use.MappedBytes / 2;
        return large ? MemoryBacking.TransparentHugePages : MemoryBacking.BasePages;
    }

    private static QemuRam Unreachable(long sizeBytes, string name, string reason)
    {
        // A VM whose memory has no size that is known still has some.
        long size = Math.Max(sizeBytes, GuestMemory.PageSizeBytes);
        return new(
            new UnreachableMemory(size, reason), 0, name, null, $"The engine cannot reach the guest's memory: {reason}",
            MemoryBacking.BasePages);
    }

    // The answer reads "Host virtual address for 0x0 (pc.ram) is 0x7f0123400000".
    private static async Task<ulong> ReadHostAddressAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        var arguments = new JsonObject { ["command-line"] = "gpa2hva 0x0" };
        JsonElement answer = await qmp.ExecuteAsync("human-monitor-command", arguments, cancellationToken).ConfigureAwait(false);
        string text = answer.GetString()!.Trim();
        int mark = text.LastIndexOf("is 0x", StringComparison.Ordinal);
        ReadOnlySpan<char> digits = mark < 0 ? [] : text.AsSpan(mark + 5);
        return ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address)
            ? address
            : throw new MigrationException(
                MigrationErrorReason.HypervisorFailed, $"QEMU does not say where the guest's RAM is: '{text}'.");
    }
}
