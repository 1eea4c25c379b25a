using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>The trials behind <see cref="KernelFeatures.Probe"/>, one per feature, each on this process alone.</summary>
internal static class KernelFeatureTrials
{
    private const int CapabilitySysPtrace = 19;
    private const int CapabilitySysAdmin = 21;
    private const int CapabilitySysNice = 23;
    private const int YamaAdministratorOnly = 2;

    /// <summary>The features of userfaultfd(2); null where it cannot be called.</summary>
    public static UserfaultfdFeatures? UserfaultfdFeatures()
    {
        try
        {
            using Userfaultfd userfaultfd = Userfaultfd.Create(Native.UserfaultfdFeatures.None);
            return userfaultfd.Available;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber is Errno.ENOSYS or Errno.EPERM or Errno.EINVAL)
        {
            // ENOSYS: not built in. EPERM: a seccomp filter. EINVAL: before Linux 5.11, without UFFD_USER_MODE_ONLY.
            return null;
        }
    }

    /// <summary>Whether faults of system calls can be handled; asked where userfaultfd(2) can be called.</summary>
    public static bool KernelModeFaults()
    {
        try
        {
            using Userfaultfd userfaultfd = Userfaultfd.Create(Native.UserfaultfdFeatures.None, kernelModeFaults: true);
            return true;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber == Errno.EPERM)
        {
            return false;
        }
    }

    /// <summary>Whether /proc/PID/pagemap can be scanned.</summary>
    public static bool PagemapScan()
    {
        using var scan = new PagemapScan(Environment.ProcessId, regionCapacity: 1);
        using MemoryMapping page = MemoryMapping.AllocateAnonymous(Environment.SystemPageSize);
        ulong position = (ulong)page.Address;
        try
        {
            scan.Find(ref position, (ulong)(page.Address + page.SizeBytes), PageCategories.Present, PageCategories.None);
            return true;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber == Errno.ENOTTY)
        {
            return false;
        }
    }

    /// <summary>Whether pidfd_getfd(2) works.</summary>
    public static bool PidfdGetfd()
    {
        try
        {
            using SafeFileHandle file = Memfd.Create("vmmigration-probe", 0);
            using var reference = new DescriptorReference(file);
            using PidFd self = PidFd.Open(Environment.ProcessId);
            using SafeFileHandle duplicate = self.GetFd(reference.Descriptor);
            return !duplicate.IsInvalid;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber is Errno.ENOSYS or Errno.EPERM)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether a process that is no child of this one may be traced: Yama (kernel.yama.ptrace_scope) forbids that to ordinary accounts
    /// from 1 on, and to all at 3. Without Yama an account may trace its own processes.
    /// </summary>
    public static bool Ptrace()
    {
        if (!Native.Ptrace.IsSupported) return false;
        const string scopePath = "/proc/sys/kernel/yama/ptrace_scope";
        int scope = File.Exists(scopePath) ? int.Parse(File.ReadAllText(scopePath), CultureInfo.InvariantCulture) : 0;
        return scope == 0 || (scope <= YamaAdministratorOnly && HasCapability(CapabilitySysPtrace));
    }

    /// <summary>Whether this account may mount file systems.</summary>
    public static bool Mount() => HasCapability(CapabilitySysAdmin);

    /// <summary>Whether MADV_COLLAPSE works on other processes: tried on this one, where it needs no right of its own.</summary>
    public static bool ProcessMadvise()
    {
        if (!HasCapability(CapabilitySysNice)) return false;
        using MemoryMapping page = MemoryMapping.AllocateAnonymous(MemoryMapping.AlignmentBytes);
        page.Slice(0, 1)[0] = 1;
        using PidFd self = PidFd.Open(Environment.ProcessId);
        try
        {
            // EINVAL: the kernel does not know the advice. ENOMEM and EAGAIN: it does, but has no large page this moment.
            return Native.ProcessMadvise.Collapse(self, (ulong)page.Address, (ulong)page.SizeBytes) != CollapseOutcome.Impossible;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber is Errno.ENOSYS or Errno.EPERM)
        {
            return false;
        }
    }

    private static bool HasCapability(int capability)
    {
        const string field = "CapEff:";
        string line = File.ReadLines("/proc/self/status").First(text => text.StartsWith(field, StringComparison.Ordinal));
        ulong effective = ulong.Parse(line.AsSpan(field.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        return (effective >> capability & 1) != 0;
    }
}
