using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>The data connections of an incoming VM, each with a receiver on a thread of its own.</summary>
internal sealed class IncomingPages(GuestMemory memory)
{
    private readonly Lock gate = new();
    private readonly TaskCompletionSource<MigrationException> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<int> claimed = [];
    private readonly HashSet<DataConnection> open = [];
    private readonly TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PageTablePopulator? populator;
    private int channels;
    private volatile bool isSealed;
    private volatile PagePlacement? placement;
    private bool closed;

    /// <summary>Completes with the reason once a receiver has failed.</summary>
    public Task<MigrationException> Failure => failure.Task;

    /// <summary>Lets this many connections in.</summary>
    public void Open(int channelCount, PageTablePopulator? pageTablePopulator)
    {
        lock (gate)
        {
            populator = pageTablePopulator;
            channels = channelCount;
        }
    }

    public bool TryClaim(int channel)
    {
        lock (gate) return !closed && channel >= 0 && channel < channels && claimed.Add(channel);
    }

    /// <summary>Receives on the calling thread until the connection ends.</summary>
    public void Receive(DataConnection connection)
    {
        lock (gate)
        {
            if (closed) return;
            open.Add(connection);
        }

        try
        {
            new PageReceiver(memory, populator, () => isSealed, () => placement).Run(connection);
        }
        catch (MigrationException error)
        {
            Fail(error);
        }
        catch (Exception error)
        {
            // The thread is the listener's: whatever goes wrong with one VM must not end the host.
            Fail(new(MigrationErrorReason.DestinationFailed, $"Pages could not be received: {error.Message}", null, error));
        }
        finally
        {
            lock (gate)
            {
                open.Remove(connection);
                if (closed && open.Count == 0) idle.TrySetResult();
            }
        }
    }

    /// <summary>Lets no more pages in.</summary>
    public void Seal() => isSealed = true;

    /// <summary>From now on pages are placed as those of a post-copy.</summary>
    public void PlaceWith(PagePlacement pagePlacement) => placement = pagePlacement;

    /// <summary>Ends all connections; when the task ends no receiver touches guest memory any more.</summary>
    public Task CloseAsync()
    {
        lock (gate)
        {
            closed = true;
            foreach (DataConnection connection in open) connection.Dispose();
            if (open.Count == 0) idle.TrySetResult();
        }

        return idle.Task;
    }

    private void Fail(MigrationException error)
    {
        // After the close a broken connection is the close's own doing.
        lock (gate)
        {
            if (!closed) failure.TrySetResult(error);
        }
    }
}
