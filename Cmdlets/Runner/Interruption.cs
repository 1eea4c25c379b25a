using System.Runtime.InteropServices;

namespace VmMigration.Runner;

/// <summary>
/// Turns SIGINT and SIGTERM into cancellation: the first cancels the run, the second also the steps under <c>always</c>. The process ends
/// only when the run has.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource run = new();
    private readonly CancellationTokenSource always = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interruption() => registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
    ];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Run => run.Token;

    /// <summary>Cancelled by the second signal.</summary>
    public CancellationToken Always => always.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations) registration.Dispose();
        run.Dispose();
        always.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        bool first = !run.IsCancellationRequested;
        Console.Error.WriteLine(first
            ? "Cancelling: the step under way is stopped, then the steps under 'always' run. Once more skips those."
            : "Skipping the steps under 'always'.");
        (first ? run : always).Cancel();
    }
}
