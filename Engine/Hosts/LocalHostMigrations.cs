using System.Net;
using System.Runtime.CompilerServices;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The migrations of a host: those its journal knows. It starts none yet.</summary>
internal sealed class LocalHostMigrations(LocalHostParts parts) : ILocalHostMigrations
{
    private readonly MigrationListener listener =
        new(new IPEndPoint(parts.Options.ListenAddress, parts.Options.ListenPort), parts.Options.Name, parts.Logger);

    public IPEndPoint Endpoint => listener.Endpoint;

    public Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken) => throw Refused();

    public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken) => throw Refused();

    public Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken) => throw Refused();

    public Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<MigrationStatus>>([.. parts.Journal.ReadMigrations(MigrationRole.Source)
            .Select(migration => migration.Status).OfType<MigrationStatus>()]);

    public Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        Task.FromResult(parts.Journal.FindMigration(migrationId, MigrationRole.Source)?.Status
            ?? throw new MigrationException(MigrationErrorReason.MigrationNotFound, $"No migration {migrationId} is known on this host."));

    public async IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(
        Guid migrationId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await GetMigrationAsync(migrationId, cancellationToken).ConfigureAwait(false);
    }

    public Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken) => throw Refused();

    public ValueTask DisposeAsync() => listener.DisposeAsync();

    private static MigrationException Refused() =>
        new(MigrationErrorReason.PrerequisiteMissing, "This build of the engine does not migrate yet.");
}
