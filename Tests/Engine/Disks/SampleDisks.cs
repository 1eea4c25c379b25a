using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Tests.Disks;

internal static class SampleDisks
{
    public static DiskDescription Describe() => new()
    {
        HostName = "peer",
        Path = "/nowhere/disk.raw",
        Format = DiskFormat.Raw,
        VirtualSizeBytes = 8 << 20,
        AllocatedBytes = 4 << 20,
        Generation = new(8 << 20, 1, 2, 3, 4),
    };

    public static IncomingDiskRequest Request() => new(Guid.NewGuid(), Describe(), null, new()) { PathId = Guid.NewGuid() };

    public static DiskTransferStatus Status(DiskTransferState state = DiskTransferState.Transferring) => new()
    {
        Id = Guid.NewGuid(),
        SourceHostName = "peer",
        SourcePath = "/nowhere/disk.raw",
        DestinationHostName = "here",
        DestinationPath = "/there/disk.raw",
        Options = new(),
        State = state,
        StartedAt = DateTimeOffset.UtcNow,
        SizeBytes = 8 << 20,
    };
}
