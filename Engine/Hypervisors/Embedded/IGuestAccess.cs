namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// What a vCPU does around every access to guest memory. Structs, so that the loop of a guest nobody watches compiles to no extra code at
/// all: its checks are constants, its mark is empty.
/// </summary>
internal interface IGuestAccess
{
    /// <summary>
    /// Whether the word at this offset in RAM, in bytes, may be read now. Where it may not, the batch ends with memory and registers as
    /// before that step, so that the step can be tried again.
    /// </summary>
    bool AdmitsRead(long offset);

    /// <summary>The same for a write.</summary>
    bool AdmitsWrite(long offset);

    /// <summary>Notes that the word at this offset was written; comes right after the store.</summary>
    void Wrote(long offset);
}
