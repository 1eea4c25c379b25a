using System.Reflection;
using System.Runtime.CompilerServices;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Compiles ahead of time what first runs while a VM is paused. Left to itself the just-in-time compiler does so inside the downtime: the
/// first migration of a process then stands still several times as long as the second. What every page goes through is called often
/// enough to be optimised, too.
/// </summary>
internal static class DowntimePath
{
    private static readonly Lazy<Task> prepared = new(() => Task.Run(Prepare));

    /// <summary>Ends once everything is compiled: a part of a second of one processor, once per process.</summary>
    public static Task PrepareAsync() => prepared.Value;

    private static void Prepare()
    {
        SentPages.Rehearse();
        Type[] types = typeof(DowntimePath).Assembly.GetTypes();
        string?[] namespaces =
        [
            typeof(DowntimePath).Namespace, typeof(FrameHeader).Namespace, typeof(GuestMemory).Namespace, typeof(HostJournal).Namespace,
            .. types.Where(type => type.IsAssignableTo(typeof(IVirtualMachine))).Select(type => type.Namespace),
        ];
        foreach (Type type in types)
        {
            if (type.ContainsGenericParameters || !namespaces.Contains(type.Namespace)) continue;
            const BindingFlags own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
                | BindingFlags.DeclaredOnly;
            foreach (MethodBase method in type.GetMembers(own).OfType<MethodBase>())
            {
                if (!method.IsAbstract && !method.ContainsGenericParameters) RuntimeHelpers.PrepareMethod(method.MethodHandle);
            }
        }
    }
}
