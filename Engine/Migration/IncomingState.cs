using System.Diagnostics;
using System.IO.Pipelines;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Takes the state frames of an incoming VM and feeds them to its hypervisor. A device state may arrive before the memory it
/// belongs to is complete; it is kept until the source says that it may be loaded.
/// </summary>
internal sealed class IncomingState : IDisposable
{
    /// <summary>Most bytes of device state kept in memory: a machine with many devices has a few MiB.</summary>
    private const long MaxKeptBytes = 64 << 20;

    private const long StreamingThresholdBytes = 4 << 20;

    private readonly IVirtualMachine vm;
    private readonly Pipe pipe;
    private readonly bool keepsAll;
    private Task? loading;
    private long startedAt;
    private long keptBytes;
    private bool ended;

    public IncomingState(IVirtualMachine vm, StateContents contents)
    {
        this.vm = vm;
        keepsAll = contents == StateContents.Devices;
        pipe = new(new PipeOptions(pauseWriterThreshold: keepsAll ? 0 : StreamingThresholdBytes, useSynchronizationContext: false));
    }

    /// <summary>Whether everything has arrived and is being loaded.</summary>
    public bool IsComplete => ended && loading is not null;

    public async Task AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        keptBytes += bytes.Length;
        if (ended || (keepsAll && keptBytes > MaxKeptBytes) || (!keepsAll && loading is null))
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The source sent {keptBytes} bytes of state, more than was due.");
        }

        FlushResult flushed = await pipe.Writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        if (flushed.IsCompleted) await FinishAsync().ConfigureAwait(false);
    }

    public void End()
    {
        ended = true;
        pipe.Writer.Complete();
    }

    /// <summary>Lets the hypervisor read what has arrived and what is still to come.</summary>
    public void StartLoading(CancellationToken cancellationToken)
    {
        if (loading is not null) throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The source asked twice for the load.");
        startedAt = Stopwatch.GetTimestamp();
        loading = LoadAsync(cancellationToken);
    }

    /// <summary>Returns the time the load took once it is done.</summary>
    public async Task<TimeSpan> FinishAsync()
    {
        await loading!.ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(startedAt);
    }

    public void Dispose()
    {
        if (!ended) pipe.Writer.Complete(new MigrationException(MigrationErrorReason.ConnectionLost, "The state broke off."));
        if (loading is null) pipe.Reader.Complete();
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        Stream stream = pipe.Reader.AsStream();
        await using (stream.ConfigureAwait(false))
        {
            await vm.LoadStateAsync(stream, cancellationToken).ConfigureAwait(false);
        }
    }
}
