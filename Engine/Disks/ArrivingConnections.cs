using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>The data connections of a disk that arrives. Safe to use from several threads.</summary>
/// <param name="channels">How many are expected.</param>
internal sealed class ArrivingConnections(int channels)
{
    private readonly Lock gate = new();
    private readonly bool[] claimed = new bool[channels];
    private readonly HashSet<DataConnection> open = [];
    private readonly TaskCompletionSource allGone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool closed;

    /// <summary>Reserves one; false where that number is taken, or none is expected any more.</summary>
    public bool TryClaim(int channel)
    {
        lock (gate)
        {
            if (closed || channel >= claimed.Length || claimed[channel]) return false;
            claimed[channel] = true;
            return true;
        }
    }

    /// <summary>Notes one that is used from now on; false where none is any more.</summary>
    public bool TryAdd(DataConnection connection)
    {
        lock (gate) return !closed && open.Add(connection);
    }

    /// <summary>Forgets one that is used no more.</summary>
    public void Remove(DataConnection connection)
    {
        lock (gate)
        {
            open.Remove(connection);
            if (closed && open.Count == 0) allGone.TrySetResult();
        }
    }

    /// <summary>Closes all, and ends once nobody uses one any more.</summary>
    public Task CloseAsync()
    {
        lock (gate)
        {
            closed = true;
            foreach (DataConnection connection in open) connection.Dispose();
            if (open.Count == 0) allGone.TrySetResult();
        }

        return allGone.Task;
    }
}
