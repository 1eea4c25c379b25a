namespace VmMigration.Engine.Migration;

/// <summary>The part of a migration in which the VM ran at the destination before all of its memory was there. Serializable.</summary>
/// <param name="Pages">Pages that were missing when the VM resumed.</param>
/// <param name="PagesTouched">Pages the guest waited for.</param>
/// <param name="StallTime">Time it waited, added up over vCPUs.</param>
/// <param name="Duration">From the resume until the last page was there.</param>
/// <param name="Interruptions">How often the link broke and was mended.</param>
public sealed record PostcopySummary(long Pages, long PagesTouched, TimeSpan StallTime, TimeSpan Duration, int Interruptions);
