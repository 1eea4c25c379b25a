using System.Reflection;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM whose memory is another one's view of it.</summary>
public class MemoryFault : DispatchProxy
{
    private IVirtualMachine inner = null!;
    private GuestMemory memory = null!;

    internal static IVirtualMachine Wrap(IVirtualMachine vm, GuestMemory memory)
    {
        IVirtualMachine wrapped = Create<IVirtualMachine, MemoryFault>();
        var fault = (MemoryFault)(object)wrapped;
        fault.inner = vm;
        fault.memory = memory;
        return wrapped;
    }

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == $"get_{nameof(IVirtualMachine.Memory)}") return memory;
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
}
