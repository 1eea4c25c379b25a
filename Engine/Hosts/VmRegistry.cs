namespace VmMigration.Engine.Hosts;

/// <summary>The VMs of one host by id; their names are unique on it, whatever their case.</summary>
internal sealed class VmRegistry
{
    private readonly Lock gate = new();
    private readonly Dictionary<Guid, VmSlot> byId = [];
    private readonly Dictionary<string, VmSlot> byName = new(StringComparer.OrdinalIgnoreCase);
    private bool closed;

    /// <summary>The error for a VM that is not there.</summary>
    public static MigrationException NotFound(string idOrName) => new(
        MigrationErrorReason.VmNotFound, $"No VM '{idOrName}' is on this host.", "List the host's VMs to see their names and ids.");

    /// <summary>The error for a host that is closed.</summary>
    public static MigrationException HostClosed() => new(MigrationErrorReason.InvalidState, "The host is closed.", "Open the host again.");

    /// <summary>Refuses to go on once the host is closed.</summary>
    public void RequireOpen()
    {
        lock (gate) RequireOpenLocked();
    }

    /// <summary>Adds a VM.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmAlreadyExists"/> where its id or name is taken, <see cref="MigrationErrorReason.InvalidState"/> where
    /// the host is closed.
    /// </exception>
    public void Add(VmSlot slot)
    {
        lock (gate)
        {
            RequireOpenLocked();
            if (FindClashLocked(slot.Specification.Id, slot.Name) is { } clash)
            {
                throw new MigrationException(MigrationErrorReason.VmAlreadyExists, clash.Message, clash.RecommendedAction);
            }

            byId.Add(slot.Specification.Id, slot);
            byName.Add(slot.Name, slot);
        }
    }

    /// <summary>Says why a VM of that id and name could not be added, and what to do; null where it could.</summary>
    public (string Message, string RecommendedAction)? FindClash(Guid id, string name)
    {
        lock (gate) return FindClashLocked(id, name);
    }

    /// <summary>Finds a VM.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmNotFound"/>.</exception>
    public VmSlot Find(Guid id)
    {
        lock (gate)
        {
            RequireOpenLocked();
            return byId.TryGetValue(id, out VmSlot? slot) ? slot : throw NotFound(id.ToString());
        }
    }

    /// <summary>Finds a VM; null where it is not there, or the host is closed.</summary>
    public VmSlot? TryFind(Guid id)
    {
        lock (gate) return closed ? null : byId.GetValueOrDefault(id);
    }

    /// <summary>Takes a VM out.</summary>
    public void Remove(VmSlot slot)
    {
        lock (gate)
        {
            byId.Remove(slot.Specification.Id);
            byName.Remove(slot.Name);
        }
    }

    /// <summary>The VMs there are now, by name.</summary>
    public IReadOnlyList<VmSlot> List()
    {
        lock (gate)
        {
            RequireOpenLocked();
            return [.. byName.Values.OrderBy(slot => slot.Name, StringComparer.OrdinalIgnoreCase)];
        }
    }

    /// <summary>Refuses everything from now on.</summary>
    /// <returns>The VMs there were.</returns>
    public IReadOnlyList<VmSlot> Close()
    {
        lock (gate)
        {
            closed = true;
            return [.. byId.Values];
        }
    }

    private (string Message, string RecommendedAction)? FindClashLocked(Guid id, string name)
    {
        if (byId.TryGetValue(id, out VmSlot? same))
        {
            return ($"A VM of id {id} is on this host already, under the name '{same.Name}'.", "Remove that VM first, or use another host.");
        }

        return byName.TryGetValue(name, out same)
            ? ($"A VM named '{same.Name}' (id {same.Specification.Id}) is on this host already.",
                "Choose another name, remove that VM first, or use another host.")
            : null;
    }

    private void RequireOpenLocked()
    {
        if (closed) throw HostClosed();
    }
}
