using System.Text.Json;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Holds the vCPU threads of a QEMU to a share of their time, by a control group that exists only while the brake is on.</summary>
internal sealed class QemuBrake(QemuProcess process) : IDisposable
{
    private CpuControlGroup? group;

    /// <summary>Reports why the vCPUs cannot be slowed down; null where they can.</summary>
    public string? FindObstacle() => CpuControlGroup.FindObstacle(process.Handle.ProcessId);

    /// <summary>Puts the brake on, changes it, or takes it off with a share of 1.</summary>
    public async Task SetAsync(double share, CancellationToken cancellationToken)
    {
        if (share is not (> 0 and <= 1))
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"A vCPU share is above 0 and at most 1, not {share}.");
        }

        if (share == 1)
        {
            Dispose();
            return;
        }

        group ??= CpuControlGroup.Create(
            process.Handle.ProcessId, await ReadVcpuThreadsAsync(cancellationToken).ConfigureAwait(false));
        group.SetShare(share);
    }

    /// <summary>Takes the brake off.</summary>
    public void Dispose()
    {
        group?.Dispose();
        group = null;
    }

    // All vCPUs of a single-threaded TCG run on one thread.
    private async Task<IReadOnlyList<int>> ReadVcpuThreadsAsync(CancellationToken cancellationToken)
    {
        JsonElement vcpus = await process.Qmp.ExecuteAsync("query-cpus-fast", cancellationToken).ConfigureAwait(false);
        return [.. vcpus.EnumerateArray().Select(vcpu => vcpu.GetProperty("thread-id").GetInt32()).Distinct()];
    }
}
