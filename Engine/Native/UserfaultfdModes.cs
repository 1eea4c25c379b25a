namespace VmMigration.Engine.Native;

/// <summary>Which faults a range is registered for (UFFDIO_REGISTER of ioctl_userfaultfd(2)).</summary>
[Flags]
public enum UserfaultfdModes : ulong
{
    /// <summary>None; not a valid registration.</summary>
    None = 0,

    /// <summary>Pages that do not exist.</summary>
    Missing = 1,

    /// <summary>Writes to protected pages.</summary>
    WriteProtect = 2,

    /// <summary>Pages that exist in the file and are not mapped.</summary>
    Minor = 4,
}
