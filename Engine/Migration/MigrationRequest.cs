using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>Asks a source host to move one of its VMs to the host that made the offer. Serializable.</summary>
/// <param name="VmId">The VM to move.</param>
/// <param name="Offer">What the destination answered to the <see cref="IncomingRequest"/>.</param>
/// <param name="Contents">Must equal that of the <see cref="IncomingRequest"/>.</param>
/// <param name="Options">How the migration is to be done.</param>
public sealed record MigrationRequest(Guid VmId, IncomingOffer Offer, StateContents Contents, MigrationOptions Options)
{
    /// <summary>What making the offer's mobility path took on all hosts together, for the result; null where it was there before.</summary>
    public TimeSpan? PathSetup { get; init; }
}
