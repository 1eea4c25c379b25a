namespace VmMigration.Engine.Native;

/// <summary>How far a page operation on a userfaultfd came. Which of them is a failure depends on the caller.</summary>
public enum UserfaultfdOutcome
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>The whole range is done.</summary>
    Done = 1,

    /// <summary>EAGAIN: a part was done, or the address space was changing; go on behind that part.</summary>
    Again = 2,

    /// <summary>EEXIST: the first page is mapped already, or holds a marker.</summary>
    Exists = 3,

    /// <summary>EFAULT: the first page is not in the file.</summary>
    NotInFile = 4,
}
