using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM's place without a host around it.</summary>
internal sealed class BareVm(IVirtualMachine machine) : IIncomingVm, IOutgoingVm
{
    public IVirtualMachine Machine => machine;

    public AsyncLock RunState { get; } = new();

    public Task CompleteAsync(bool running) => Task.CompletedTask;

    public Task ReturnAsync() => Task.CompletedTask;

    public Task RemoveAsync() => machine.DestroyAsync();

    public Task KeepUndecidedAsync(string why) => Task.CompletedTask;
}
