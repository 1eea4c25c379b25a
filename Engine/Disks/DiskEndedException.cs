namespace VmMigration.Engine.Disks;

/// <summary>The destination ended the transfer; what it says is what failed there.</summary>
/// <param name="failure">Why.</param>
/// <param name="fragmentId">What it kept of the disk; null for nothing.</param>
internal sealed class DiskEndedException(MigrationException failure, Guid? fragmentId)
    : MigrationException(failure.Reason, failure.Message, failure.RecommendedAction, failure)
{
    /// <summary>What the destination kept of the disk; null for nothing.</summary>
    public Guid? FragmentId => fragmentId;
}
