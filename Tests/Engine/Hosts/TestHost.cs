using System.Net;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>A host with the embedded and the scripted hypervisor and no migrations, whose parts a test can reach.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private TestHost(LocalHostParts parts, ScriptedHypervisor scripted)
    {
        Parts = parts;
        Host = new LocalHost(parts);
        Scripted = scripted;
    }

    public LocalHostParts Parts { get; }

    public LocalHost Host { get; }

    public ScriptedHypervisor Scripted { get; }

    public static async Task<TestHost> OpenAsync(
        string? stateDirectory = null, ScriptedHypervisor? scripted = null, string? ramDirectory = null, TimeSpan? shutdownTimeout = null)
    {
        scripted ??= new();
        var options = new LocalHostOptions
        {
            Name = "here",
            StateDirectory = stateDirectory,
            RamDirectory = ramDirectory,
            ShutdownTimeout = shutdownTimeout ?? TimeSpan.FromSeconds(60),
        };
        LocalHostParts parts = await LocalHostParts.OpenAsync(
            options,
            (_, _) => new HypervisorSet([new EmbeddedHypervisor(), scripted])
            {
                Register = (registration, _) => Adopt(scripted, registration),
                RemoveLeftovers = (known, _) => Task.FromResult(scripted.RemoveLeftovers(known)),
                End = instance =>
                {
                    scripted.End(instance.ProcessId!.Value, "Killed.");
                    return Task.CompletedTask;
                },
            },
            _ => new NoMigrations(),
            TestContext.Current.CancellationToken);
        return new(parts, scripted);
    }

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    private static Task<IVirtualMachine> Adopt(ScriptedHypervisor scripted, VmRegistration registration) =>
        Task.FromResult<IVirtualMachine>(scripted.Make(SampleVms.Qemu(registration.Name ?? "foreign"), VmState.Running));

    private sealed class NoMigrations : ILocalHostMigrations
    {
        public IPEndPoint Endpoint => new(IPAddress.Loopback, 1);

        public Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MigrationStatus> SettleMigrationAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<MobilityPathEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<MobilityPathEnd>> ListPathsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
