using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// This machine as a host of VMs. Several hosts can be open in one process, each on a state directory of its own.
/// </summary>
/// <remarks>
/// Disposal rolls back what migrations have not committed. On a state directory that the caller named, QEMU VMs then run on, and a host
/// opened on the same directory finds them again; embedded VMs live inside this process and end. On a directory the host made for itself,
/// every VM is destroyed and the directory removed, except VMs that something else started and that were only registered.
/// </remarks>
public sealed class LocalHost : IMigrationHost
{
    private readonly LocalHostParts parts;
    private int disposed;

    internal LocalHost(LocalHostParts parts) => this.parts = parts;

    /// <inheritdoc/>
    public string Name => parts.Options.Name;

    /// <inheritdoc/>
    public Disks.IHostDisks Disks => parts.Disks;

    /// <summary>The ends of mobility paths, with what the kernel has for them.</summary>
    internal LocalHostPaths Paths => parts.Paths;

    /// <summary>Address and port that VMs arrive on.</summary>
    internal string MigrationEndpoint => parts.Migrations.Endpoint.ToString();

    /// <summary>Writes to the host's log, for what serves the host; ends with it.</summary>
    internal Serilog.ILogger Logger => parts.Logger;

    /// <summary>Opens a host: locks its directory, finds its VMs again and begins to accept migrations.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a name or address that cannot be used;
    /// <see cref="MigrationErrorReason.InvalidState"/> where another host has the directory;
    /// <see cref="MigrationErrorReason.VersionMismatch"/> where a newer version wrote its journal.
    /// </exception>
    public static async Task<LocalHost> OpenAsync(LocalHostOptions options, CancellationToken cancellationToken) =>
        new(await LocalHostParts.OpenAsync(
            options, LocalHostParts.MakeHypervisors, parts => new LocalHostMigrations(parts), cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public async Task<HostDescription> DescribeAsync(CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        MachineMemory memory = MachineMemory.Read();
        return new()
        {
            Name = Name,
            MachineName = Environment.MachineName,
            ProcessorCount = Environment.ProcessorCount,
            MemoryBytes = memory.TotalBytes,
            AvailableMemoryBytes = memory.AvailableBytes,
            StateDirectory = parts.Directory.Path,
            DatastoreDirectory = parts.Disks.Datastore.Directory,
            Endpoint = parts.Migrations.Endpoint.ToString(),
            LinkSecurity = parts.Link.Security,
            NetworkLinkSecurity = parts.Link.NetworkSecurity,
            PathAddresses = PathAddressList.Choose(parts.Paths.Network, parts.Options),
            Paths = await parts.Paths.Prerequisites.FindObstaclesAsync(cancellationToken).ConfigureAwait(false),
            PathGatewayRefused = await parts.Paths.Prerequisites.FindGatewayObstacleAsync(cancellationToken).ConfigureAwait(false),
            Hypervisors = await parts.Hypervisors.FindObstaclesAsync(cancellationToken).ConfigureAwait(false),
        };
    }

    /// <inheritdoc/>
    public Task<VmDescription> CreateVmAsync(VmSpecification specification, CancellationToken cancellationToken) =>
        parts.Vms.CreateAsync(specification, cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> RegisterVmAsync(VmRegistration registration, CancellationToken cancellationToken) =>
        parts.Vms.RegisterAsync(registration, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<VmDescription>> ListVmsAsync(CancellationToken cancellationToken) => parts.Vms.ListAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> GetVmAsync(Guid vmId, CancellationToken cancellationToken) => parts.Vms.GetAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Disks.VmDisk>> ListVmDisksAsync(Guid vmId, CancellationToken cancellationToken) =>
        parts.VmDisks.ListAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> StartVmAsync(Guid vmId, CancellationToken cancellationToken) => parts.Vms.StartAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> StopVmAsync(Guid vmId, bool force, CancellationToken cancellationToken) =>
        parts.Vms.StopAsync(vmId, force, cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> PauseVmAsync(Guid vmId, CancellationToken cancellationToken) => parts.Vms.PauseAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<VmDescription> ResumeVmAsync(Guid vmId, CancellationToken cancellationToken) => parts.Vms.ResumeAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task RemoveVmAsync(Guid vmId, CancellationToken cancellationToken) => parts.Vms.RemoveAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        parts.Memory.ListPoisonedPagesAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken) =>
        parts.Memory.AddPoisonedPagesAsync(vmId, guestPhysicalAddresses, cancellationToken);

    /// <inheritdoc/>
    public Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        parts.Memory.ReadLargePagesAsync(vmId, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<PreflightFinding>> CheckIncomingAsync(IncomingRequest request, CancellationToken cancellationToken) =>
        parts.IncomingCheck.RunAsync(request, cancellationToken);

    /// <inheritdoc/>
    public Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken) =>
        parts.Migrations.PrepareIncomingAsync(request, cancellationToken);

    /// <inheritdoc/>
    public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken) =>
        parts.Migrations.WithdrawIncomingAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken) =>
        parts.Migrations.StartMigrationAsync(request, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken) =>
        parts.Migrations.ListMigrationsAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        parts.Migrations.GetMigrationAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        parts.Migrations.WatchMigrationAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken) =>
        parts.Migrations.ResumeMigrationAsync(migrationId, force, cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken) =>
        parts.Migrations.GetIncomingOutcomeAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationStatus> SettleMigrationAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken) =>
        parts.Migrations.SettleMigrationAsync(migrationId, outcome, cancellationToken);

    /// <inheritdoc/>
    public Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        parts.Migrations.CancelMigrationAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public Task<MobilityPathEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken) =>
        parts.Paths.PrepareAsync(request, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<MobilityPathEnd>> ListPathsAsync(CancellationToken cancellationToken) =>
        parts.Paths.ListAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken) =>
        parts.Paths.ProbeAsync(pathId, cancellationToken);

    /// <inheritdoc/>
    public Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken) => parts.Paths.RemoveAsync(pathId, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Interlocked.Exchange(ref disposed, 1) == 0 ? parts.DisposeAsync() : ValueTask.CompletedTask;
}
