using System.Net;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The migrations of one host, as source and as destination: what <see cref="IMigrationHost"/> promises of them. Disposal rolls back what
/// has not been committed and waits for the rest.
/// </summary>
internal interface ILocalHostMigrations : IAsyncDisposable
{
    /// <summary>Address and port migrations arrive on.</summary>
    IPEndPoint Endpoint { get; }

    /// <inheritdoc cref="IMigrationHost.PrepareIncomingAsync"/>
    Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.WithdrawIncomingAsync"/>
    Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.StartMigrationAsync"/>
    Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.ListMigrationsAsync"/>
    Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.GetMigrationAsync"/>
    Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.WatchMigrationAsync"/>
    IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.ResumeMigrationAsync"/>
    Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.GetIncomingOutcomeAsync"/>
    Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.SettleMigrationAsync"/>
    Task<MigrationStatus> SettleMigrationAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken);

    /// <inheritdoc cref="IMigrationHost.CancelMigrationAsync"/>
    Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken);
}
