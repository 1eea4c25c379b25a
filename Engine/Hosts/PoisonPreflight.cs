using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The part of a preflight check that looks for poisoned pages: they travel as metadata, or they keep the VM from travelling.
/// </summary>
internal static class PoisonPreflight
{
    private const string Check = "PoisonedPages";

    /// <summary>Adds what there is to say.</summary>
    /// <returns>How many pages are poisoned.</returns>
    public static async Task<int> CheckAsync(
        IMigrationHost source, VmDescription vm, StateContents contents, List<PreflightFinding> findings,
        CancellationToken cancellationToken)
    {
        if (vm.State is not (VmState.Running or VmState.Paused)) return 0;
        string name = vm.Specification.Name;
        IReadOnlyList<PoisonedPage> pages =
            await source.ListPoisonedPagesAsync(vm.Specification.Id, cancellationToken).ConfigureAwait(false);
        if (pages.Count == 0) return 0;
        findings.Add(contents == StateContents.DevicesAndMemory
            ? new(PreflightSeverity.Error, Check, PoisonRefusals.DescribeHypervisorMigration(name, pages), PoisonRefusals.Action)
            : new(PreflightSeverity.Warning, Check,
                $"'{name}' has {PoisonRefusals.Count(pages)}, at guest-physical {PoisonRefusals.Name(pages)}. They travel as metadata"
                + " and fail at the destination as they do here; everything else is read around them.",
                "Restart the VM when that suits: its memory is new then. See the machine's log for the memory module that failed."));
        return pages.Count;
    }
}
