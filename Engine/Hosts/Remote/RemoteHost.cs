using Grpc.Core;
using Grpc.Net.Client;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>
/// A host on another machine (or in another process of this one), reached through its agent. Safe to use from several threads.
/// </summary>
/// <remarks>
/// What the agent reports as failed has the reason, message and recommended action the agent's host gave. Beyond those, each call fails with
/// <see cref="MigrationErrorReason.ConnectionLost"/> where the agent cannot be reached; a call that changes something may have come through
/// then. Calls that change nothing are tried again before that. Disposal only ends the connection: VMs and migrations go on.
/// </remarks>
public sealed class RemoteHost : IMigrationHost
{
    private readonly GrpcChannel channel;
    private readonly AgentCalls calls;
    private readonly MigrationWatch watch;
    private readonly Contract.Hosts.HostsClient hosts;
    private readonly Contract.Vms.VmsClient vms;
    private readonly Contract.GuestMemory.GuestMemoryClient memory;
    private readonly Contract.IncomingMigrations.IncomingMigrationsClient incoming;
    private readonly Contract.Migrations.MigrationsClient migrations;
    private readonly Contract.MobilityPaths.MobilityPathsClient paths;

    private RemoteHost(RemoteHostOptions options)
    {
        Uri = options.Uri;
        channel = AgentChannel.Make(options);
        CallInvoker invoker = channel.CreateCallInvoker();
        hosts = new(invoker);
        vms = new(invoker);
        memory = new(invoker);
        incoming = new(invoker);
        migrations = new(invoker);
        paths = new(invoker);
        var failures = new AgentFailures(options.Uri.ToString());
        calls = new(failures);
        watch = new(migrations, calls, failures, options.ReconnectTimeLimit);
    }

    /// <summary>Where its agent is reached.</summary>
    public Uri Uri { get; }

    /// <summary>Name of the host, as its agent said when it was connected.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Connects to an agent and asks it what it is.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for an address of another kind, and for <c>https</c> without certificates;
    /// <see cref="MigrationErrorReason.AccessDenied"/> where either side refuses the other's certificate, or the socket's permissions do;
    /// <see cref="MigrationErrorReason.ConnectionLost"/> where nothing answers in time.
    /// </exception>
    public static async Task<RemoteHost> ConnectAsync(RemoteHostOptions options, CancellationToken cancellationToken)
    {
        var host = new RemoteHost(options);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(options.ConnectTimeLimit);
        try
        {
            host.Name = (await host.DescribeAsync(limited.Token).ConfigureAwait(false)).Name;
            return host;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw new MigrationException(
                MigrationErrorReason.ConnectionLost, $"Nothing answered at {options.Uri} within {options.ConnectTimeLimit.TotalSeconds:F0} s.",
                "Check the address, that the agent runs, and that the network lets connections through.", e);
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<HostDescription> DescribeAsync(CancellationToken cancellationToken) => (await calls.ReadAsync(
        options => hosts.DescribeAsync(new(), options), cancellationToken).ConfigureAwait(false)).ToRecord();

    /// <inheritdoc/>
    public async Task<VmDescription> CreateVmAsync(VmSpecification specification, CancellationToken cancellationToken)
    {
        var request = new Contract.CreateVmRequest { Specification = specification.ToMessage() };
        return (await calls.WriteAsync(options => vms.CreateAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> RegisterVmAsync(VmRegistration registration, CancellationToken cancellationToken)
    {
        Contract.RegisterVmRequest request = registration.ToMessage();
        return (await calls.WriteAsync(options => vms.RegisterAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<VmDescription>> ListVmsAsync(CancellationToken cancellationToken)
    {
        Contract.ListVmsResponse response = await calls.ReadAsync(
            options => vms.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Vms.Select(vm => vm.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<VmDescription> GetVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetVmRequest { VmId = vmId.ToString() };
        return (await calls.ReadAsync(options => vms.GetAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> StartVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.StartVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.StartAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> StopVmAsync(Guid vmId, bool force, CancellationToken cancellationToken)
    {
        var request = new Contract.StopVmRequest { VmId = vmId.ToString(), Force = force };
        return (await calls.WriteAsync(options => vms.StopAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> PauseVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.PauseVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.PauseAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> ResumeVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.ResumeVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.ResumeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public Task RemoveVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.RemoveVmRequest { VmId = vmId.ToString() };
        return calls.WriteAsync(options => vms.RemoveAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken)
    {
        // Looks at the whole memory, however large it is.
        var request = new Contract.ListPoisonedPagesRequest { VmId = vmId.ToString() };
        return (await calls.RepeatAsync(
            options => memory.ListPoisonedPagesAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecords();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken)
    {
        var request = new Contract.AddPoisonedPagesRequest { VmId = vmId.ToString() };
        request.GuestPhysicalAddresses.Add(guestPhysicalAddresses);
        return (await calls.WriteAsync(
            options => memory.AddPoisonedPagesAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecords();
    }

    /// <inheritdoc/>
    public async Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.ReadLargePagesRequest { VmId = vmId.ToString() };
        return (await calls.RepeatAsync(
            options => memory.ReadLargePagesAsync(request, options), cancellationToken).ConfigureAwait(false)).Coverage?.ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PreflightFinding>> CheckIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        Contract.IncomingRequest message = request.ToMessage();
        Contract.CheckIncomingResponse response = await calls.ReadAsync(
            options => incoming.CheckAsync(message, options), cancellationToken).ConfigureAwait(false);
        return [.. response.Findings.Select(finding => finding.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        Contract.IncomingRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => incoming.PrepareAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.WithdrawIncomingRequest { MigrationId = migrationId.ToString() };
        return calls.RepeatAsync(options => incoming.WithdrawAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken)
    {
        Contract.MigrationRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => migrations.StartAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken)
    {
        Contract.ListMigrationsResponse response = await calls.ReadAsync(
            options => migrations.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Migrations.Select(migration => migration.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetMigrationRequest { MigrationId = migrationId.ToString() };
        return (await calls.ReadAsync(options => migrations.GetAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    /// <remarks>
    /// A connection that breaks meanwhile is made again, for as long as <see cref="RemoteHostOptions.ReconnectTimeLimit"/> says each time.
    /// </remarks>
    public IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        watch.FollowAsync(migrationId, cancellationToken);

    /// <inheritdoc/>
    public async Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        var request = new Contract.ResumeMigrationRequest { MigrationId = migrationId.ToString(), Force = force };
        return (await calls.WriteAsync(
            options => migrations.ResumeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.CancelMigrationRequest { MigrationId = migrationId.ToString() };
        return (await calls.WriteAsync(
            options => migrations.CancelAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<MobilityPathEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        Contract.MobilityPathRequest message = request.ToMessage();
        return (await calls.WriteAsync(options => paths.PrepareAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<MobilityPathEnd>> ListPathsAsync(CancellationToken cancellationToken)
    {
        Contract.ListPathsResponse response = await calls.ReadAsync(
            options => paths.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Ends.Select(end => end.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken)
    {
        var request = new Contract.ProbePathRequest { PathId = pathId.ToString() };
        Contract.ProbePathResponse response = await calls.ReadAsync(
            options => paths.ProbeAsync(request, options), cancellationToken).ConfigureAwait(false);
        return MessageFields.ToOptionalTimeSpan(response.RoundTrip, "ProbePathResponse.round_trip");
    }

    /// <inheritdoc/>
    public Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken)
    {
        var request = new Contract.RemovePathRequest { PathId = pathId.ToString() };
        return calls.RepeatAsync(options => paths.RemoveAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        calls.Close();
        channel.Dispose();
        return ValueTask.CompletedTask;
    }
}
