namespace VmMigration.Engine.Migration;

/// <summary>One pass over memory.</summary>
/// <param name="Number">1 for the first pass.</param>
/// <param name="PagesToSend">Pages the pass set out with.</param>
/// <param name="PagesData">Pages sent with their contents.</param>
/// <param name="PagesZero">Pages sent as zero, holes of the first pass included.</param>
/// <param name="BytesSent">Bytes put on the wire.</param>
/// <param name="Duration">Time the pass took.</param>
/// <param name="VcpuShare">Share of its time the guest kept meanwhile; 1 means not slowed down.</param>
public sealed record PassSummary(
    int Number, long PagesToSend, long PagesData, long PagesZero, long BytesSent, TimeSpan Duration, double VcpuShare)
{
    /// <summary>Bytes reported as written while the pass ran; 0 for the last one, with the VM paused.</summary>
    public long DirtyBytes { get; init; }

    /// <summary>Pages reported as written that had not changed, see <see cref="MigrationResult.PagesUnchanged"/>.</summary>
    public long PagesUnchanged { get; init; }

    /// <summary>How long first writes were held back meanwhile.</summary>
    public TimeSpan FaultDelay { get; init; }
}
