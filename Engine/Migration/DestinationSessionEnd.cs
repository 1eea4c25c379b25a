namespace VmMigration.Engine.Migration;

/// <summary>How one link of a post-copy ended at its destination.</summary>
/// <param name="Kind">Which end it was.</param>
/// <param name="Error">Why, where it broke or memory differs.</param>
internal sealed record DestinationSessionEnd(DestinationSessionEndKind Kind, MigrationException? Error = null);
