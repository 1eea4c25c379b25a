using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>The part of a migration in which the VM ran at the destination before all of its memory was there.</summary>
/// <param name="Pages">Pages that were missing when the VM resumed.</param>
/// <param name="PagesTouched">Pages the guest waited for.</param>
/// <param name="StallTime">Time it waited, added up over vCPUs.</param>
/// <param name="Duration">From the resume until the last page was there.</param>
/// <param name="Interruptions">How often the link broke and was mended.</param>
public sealed record PostcopySummary(long Pages, long PagesTouched, TimeSpan StallTime, TimeSpan Duration, int Interruptions)
{
    /// <summary>The main numbers in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Pages:N0} pages in {Duration.TotalSeconds:F2} s, {PagesTouched:N0} waited for, {Interruptions} interruption(s)");

    internal static PostcopySummary? From(Engine.Migration.PostcopySummary? summary) => summary is null
        ? null
        : new(summary.Pages, summary.PagesTouched, summary.StallTime, summary.Duration, summary.Interruptions);
}
