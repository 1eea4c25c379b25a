using System.Text.Json;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>What a QEMU is doing, by its run state (RunState in qemu-qmp-ref(7)).</summary>
/// <param name="State">The state in the engine's terms.</param>
/// <param name="RunState">QEMU's own word for it.</param>
internal sealed record QemuStatus(VmState State, string RunState)
{
    /// <summary>
    /// Whether the state was saved and the VM not resumed since. QEMU refuses to save again from there, and its disks are not open for
    /// writing until it is resumed.
    /// </summary>
    public bool IsSaved => RunState == "postmigrate";

    /// <summary>Asks QEMU.</summary>
    public static async Task<QemuStatus> ReadAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        JsonElement status = await qmp.ExecuteAsync("query-status", cancellationToken).ConfigureAwait(false);
        string runState = status.GetProperty("status").GetString()!;
        return new(Translate(runState), runState);
    }

    // Every other state keeps the memory while the vCPUs stand still: paused, prelaunch, postmigrate, io-error and so on.
    private static VmState Translate(string runState) => runState switch
    {
        // A guest that sleeps wakes up by itself.
        "running" or "suspended" => VmState.Running,
        "inmigrate" => VmState.Incoming,
        _ => VmState.Paused,
    };
}
