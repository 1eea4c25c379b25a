using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// The events of one name from the moment of subscription on, in QEMU's order and none left out, until it is disposed.
/// </summary>
public sealed class QmpEventStream : IDisposable
{
    private readonly Channel<QmpEvent> channel = Channel.CreateUnbounded<QmpEvent>(new() { SingleReader = true });
    private readonly Action<QmpEventStream> unsubscribe;

    internal QmpEventStream(string name, Action<QmpEventStream> unsubscribe)
    {
        Name = name;
        this.unsubscribe = unsubscribe;
    }

    /// <summary>Name of the events.</summary>
    public string Name { get; }

    /// <summary>Waits for the next event.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> once the connection is closed.</exception>
    public async Task<QmpEvent> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await channel.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is MigrationException reason)
        {
            throw new MigrationException(reason.Reason, reason.Message, reason.RecommendedAction, reason);
        }
    }

    /// <summary>Takes the next event if one has arrived. An event that came before the answer to a command has.</summary>
    public bool TryRead([NotNullWhen(true)] out QmpEvent? occurred) => channel.Reader.TryRead(out occurred);

    /// <inheritdoc/>
    public void Dispose()
    {
        unsubscribe(this);
        channel.Writer.TryComplete();
    }

    internal void Publish(QmpEvent occurred) => channel.Writer.TryWrite(occurred);

    internal void Close(MigrationException reason) => channel.Writer.TryComplete(reason);
}
