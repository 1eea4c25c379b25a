using System.Reflection;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM whose first resume waits until it is let go, as one does that needs a missing page for it.</summary>
public class HeldResume : DispatchProxy
{
    private readonly TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IVirtualMachine inner = null!;

    /// <summary>Ends once the resume was asked for.</summary>
    internal Task Begun => begun.Task;

    internal static IVirtualMachine Wrap(IVirtualMachine vm, out HeldResume held)
    {
        IVirtualMachine wrapped = Create<IVirtualMachine, HeldResume>();
        held = (HeldResume)(object)wrapped;
        held.inner = vm;
        return wrapped;
    }

    /// <summary>Lets it go on.</summary>
    internal void Release() => released.SetResult();

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == nameof(IVirtualMachine.ResumeAsync) && begun.TrySetResult()) return ResumeAsync();
        if (targetMethod.Name is nameof(IVirtualMachine.PauseAsync) or nameof(IVirtualMachine.ResumeAsync)) return AfterAsync(targetMethod);
        try
        {
            return targetMethod.Invoke(inner, args);
        }
        catch (TargetInvocationException error)
        {
            ExceptionDispatchInfo.Throw(error.InnerException!);
            throw;
        }
    }

    private async Task ResumeAsync()
    {
        await released.Task;
        await inner.ResumeAsync(CancellationToken.None);
    }

    /// <summary>Commands are taken one after another.</summary>
    private async Task AfterAsync(MethodInfo change)
    {
        await released.Task;
        await (Task)change.Invoke(inner, [CancellationToken.None])!;
    }
}
