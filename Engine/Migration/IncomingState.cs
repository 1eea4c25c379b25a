using System.IO.Pipelines;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Feeds the state frames of an incoming VM to its hypervisor as they arrive. The source holds back what must not be loaded before the
/// memory is complete.
/// </summary>
internal sealed class IncomingState : IAsyncDisposable
{
    private readonly Pipe pipe = new(new PipeOptions(pauseWriterThreshold: 4 << 20, useSynchronizationContext: false));
    private readonly CancellationTokenSource stop;
    private readonly Task loading;
    private bool ended;

    public IncomingState(IVirtualMachine vm, CancellationToken cancellationToken)
    {
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        loading = LoadAsync(vm, stop.Token);
    }

    public async Task AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (ended) throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The source sent more state after its end.");
        FlushResult flushed = await pipe.Writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);

        // The hypervisor reads no more: it failed, and its reason is the one to report.
        if (flushed.IsCompleted) await loading.ConfigureAwait(false);
    }

    /// <summary>Everything has arrived: ends once it is loaded.</summary>
    public async Task FinishAsync()
    {
        ended = true;
        await pipe.Writer.CompleteAsync().ConfigureAwait(false);
        await loading.ConfigureAwait(false);
    }

    /// <summary>Ends a load that is still under way, and waits for it.</summary>
    public async ValueTask DisposeAsync()
    {
        var brokeOff = new MigrationException(MigrationErrorReason.ConnectionLost, "The state broke off.");
        if (!ended) await pipe.Writer.CompleteAsync(brokeOff).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await loading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task LoadAsync(IVirtualMachine vm, CancellationToken cancellationToken)
    {
        Stream stream = pipe.Reader.AsStream();
        await using (stream.ConfigureAwait(false))
        {
            await vm.LoadStateAsync(stream, cancellationToken).ConfigureAwait(false);
        }
    }
}
