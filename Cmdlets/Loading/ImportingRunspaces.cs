using System.Management.Automation.Runspaces;

namespace VmMigration.Cmdlets;

/// <summary>
/// The runspaces that have the module imported. Hosts are shared by all of them (think of <c>ForEach-Object -Parallel</c>), so they are
/// closed only when the last one removes the module.
/// </summary>
internal static class ImportingRunspaces
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<Guid> Ids = [];

    public static void Add()
    {
        Runspace runspace = Runspace.DefaultRunspace;
        lock (Gate)
        {
            if (!Ids.Add(runspace.InstanceId)) return;
        }

        runspace.StateChanged += OnStateChanged;
    }

    public static void Remove()
    {
        Runspace runspace = Runspace.DefaultRunspace;
        runspace.StateChanged -= OnStateChanged;
        if (Forget(runspace.InstanceId)) HostRegistry.CloseAll();
    }

    private static bool Forget(Guid id)
    {
        lock (Gate)
        {
            return Ids.Remove(id) && Ids.Count == 0;
        }
    }

    // A runspace that merely ends leaves the hosts open: a pool may be about to open the next one.
    private static void OnStateChanged(object? sender, RunspaceStateEventArgs change)
    {
        if (change.RunspaceStateInfo.State is RunspaceState.Closed or RunspaceState.Broken) Forget(((Runspace)sender!).InstanceId);
    }
}
