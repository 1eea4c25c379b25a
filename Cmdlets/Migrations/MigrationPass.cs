using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>One pass over memory.</summary>
/// <param name="Number">1 for the first pass.</param>
/// <param name="PagesToSend">Pages the pass set out with.</param>
/// <param name="PagesData">Pages sent with their contents.</param>
/// <param name="PagesZero">Pages sent as zero, holes of the first pass included.</param>
/// <param name="BytesSent">Bytes put on the wire.</param>
/// <param name="Duration">Time the pass took.</param>
/// <param name="VcpuShare">Share of its time the guest kept meanwhile; 1 means not slowed down.</param>
public sealed record MigrationPass(
    int Number, long PagesToSend, long PagesData, long PagesZero, long BytesSent, TimeSpan Duration, double VcpuShare)
{
    /// <summary>Bytes reported as written while the pass ran; 0 for the last one, with the VM paused.</summary>
    public long DirtyBytes { get; init; }

    /// <summary>Pages that were reported as written, had not changed since they were sent, and did not travel again.</summary>
    public long PagesUnchanged { get; init; }

    /// <summary>How long first writes were held back meanwhile, to slow the guest down.</summary>
    public TimeSpan FaultDelay { get; init; }

    internal static MigrationPass From(PassSummary pass) =>
        new(pass.Number, pass.PagesToSend, pass.PagesData, pass.PagesZero, pass.BytesSent, pass.Duration, pass.VcpuShare)
        {
            DirtyBytes = pass.DirtyBytes,
            PagesUnchanged = pass.PagesUnchanged,
            FaultDelay = pass.FaultDelay,
        };
}
