namespace VmMigration.Engine.Native;

/// <summary>What <see cref="KvmTrial"/> found.</summary>
/// <param name="Obstacle">Why KVM is of no use here, in a sentence; null where it runs guests at hardware speed.</param>
/// <param name="MillionInstructionsPerSecond">Speed of the trial guest; 0 where it did not run.</param>
/// <param name="Elapsed">Time the trial took.</param>
public sealed record KvmTrialResult(string? Obstacle, double MillionInstructionsPerSecond, TimeSpan Elapsed)
{
    /// <summary>Whether KVM runs guests at hardware speed.</summary>
    public bool Runs => Obstacle is null;
}
