using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>What the journal knows of an end of a mobility path.</summary>
/// <param name="Request">What it was to be made from.</param>
/// <param name="MadeAt">When that began.</param>
/// <param name="ForwardingEnabled">Whether this host turned the forwarding of packets on for it.</param>
/// <param name="Failure">Why it could not be removed; null where nobody tried.</param>
internal sealed record JournaledPathEnd(MobilityPathRequest Request, DateTimeOffset MadeAt, bool ForwardingEnabled, string? Failure);
