using System.Reflection;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM one of whose properties is another.</summary>
public class PropertyFault : DispatchProxy
{
    private IVirtualMachine inner = null!;
    private string getter = "";
    private object value = null!;

    internal static IVirtualMachine WithMemory(IVirtualMachine vm, GuestMemory memory) => Wrap(vm, nameof(IVirtualMachine.Memory), memory);

    internal static IVirtualMachine WithCapabilities(IVirtualMachine vm, VmCapabilities capabilities) =>
        Wrap(vm, nameof(IVirtualMachine.Capabilities), capabilities);

    private static IVirtualMachine Wrap(IVirtualMachine vm, string property, object value)
    {
        IVirtualMachine wrapped = Create<IVirtualMachine, PropertyFault>();
        var fault = (PropertyFault)(object)wrapped;
        fault.inner = vm;
        fault.getter = $"get_{property}";
        fault.value = value;
        return wrapped;
    }

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == getter) return value;
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
