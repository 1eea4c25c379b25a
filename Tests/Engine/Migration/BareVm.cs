using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM's place without a host around it.</summary>
internal sealed class BareVm(IVirtualMachine machine) : IIncomingVm, IOutgoingVm
{
    public IVirtualMachine Machine => machine;

    public AsyncLock RunState { get; } = new();

    public Task CompleteAsync(bool running) => Task.CompletedTask;

    /// <summary>What it last waited for.</summary>
    public string? Wait { get; private set; }

    /// <summary>Whether a post-copy ended here.</summary>
    public bool PostcopyEnded { get; private set; }

    public Task BeginPostcopyAsync(bool running) => Task.CompletedTask;

    public Task ReportWaitAsync(string? why)
    {
        Wait = why;
        return Task.CompletedTask;
    }

    public Task EndPostcopyAsync(string? failure)
    {
        PostcopyEnded = true;
        Wait = failure;
        return Task.CompletedTask;
    }

    public Task SpecifyDisksAsync(IReadOnlyList<QemuDisk> disks) => Task.CompletedTask;

    public Task ReturnAsync() => Task.CompletedTask;

    public Task RemoveAsync() => machine.DestroyAsync();

    public Task KeepUndecidedAsync(string why) => Task.CompletedTask;
}
