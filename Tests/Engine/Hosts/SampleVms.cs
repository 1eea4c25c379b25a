using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Tests.Hosts;

internal static class SampleVms
{
    public static VmSpecification Embedded(string name = "vm1", long memoryBytes = 4 << 20) => new()
    {
        Name = name,
        MemoryBytes = memoryBytes,
        Embedded = new EmbeddedGuest { Program = GuestProgramKind.Idle },
    };

    public static VmSpecification Qemu(string name = "vm1", long memoryBytes = 4 << 20) => new()
    {
        Name = name,
        MemoryBytes = memoryBytes,
        Qemu = new QemuGuest { Disks = [new QemuDisk("/nowhere/disk.img")] },
    };

    public static JournaledVm Journaled(VmSpecification specification, VmOwnership ownership = VmOwnership.Owned, int? processId = null) => new()
    {
        Specification = specification,
        Instance = processId is null ? null : new VmInstance { ProcessId = processId, Accelerator = "tcg" },
        Ownership = ownership,
        MeantToRun = true,
    };

    public static MigrationJournalEntry Entry(
        Guid vmId, MigrationRole role, MigrationJournalState state, Guid? migrationId = null) =>
        new(migrationId ?? Guid.NewGuid(), role, vmId, "peer", state, DateTimeOffset.UtcNow);

    public static IncomingRequest Incoming(VmSpecification specification, StateContents contents = StateContents.Devices) =>
        new(Guid.NewGuid(), specification, contents, new MigrationOptions(), "source");

    public static MigrationStatus Status(Guid migrationId, VmSpecification vm, MigrationState state) => new()
    {
        Id = migrationId,
        VmId = vm.Id,
        VmName = vm.Name,
        SourceHostName = "here",
        DestinationHostName = "peer",
        State = state,
        StartedAt = DateTimeOffset.UtcNow,
        Progress = new(2, 10, 20, 4096, 1e6, 5e5, 1),
        Result = new MigrationResult { Passes = 2, Downtime = TimeSpan.FromMilliseconds(7), PassDetails = [new(1, 20, 10, 10, 4096, TimeSpan.FromSeconds(1), 1)] },
    };
}
