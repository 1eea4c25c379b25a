using System.Reflection;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM whose load of its state ends only by cancellation, as where it waits for a page that does not come.</summary>
public class LoadFault : DispatchProxy
{
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IVirtualMachine inner = null!;

    /// <summary>Ends once the load has begun and has the whole state.</summary>
    internal Task Reached => reached.Task;

    internal static IVirtualMachine Wrap(IVirtualMachine vm, out LoadFault fault)
    {
        IVirtualMachine wrapped = Create<IVirtualMachine, LoadFault>();
        fault = (LoadFault)(object)wrapped;
        fault.inner = vm;
        return wrapped;
    }

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == nameof(IVirtualMachine.LoadStateAsync)) return LoadAsync((Stream)args![0]!, (CancellationToken)args[1]!);
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

    private async Task LoadAsync(Stream source, CancellationToken cancellationToken)
    {
        await source.CopyToAsync(Stream.Null, cancellationToken);
        reached.SetResult();
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
    }
}
