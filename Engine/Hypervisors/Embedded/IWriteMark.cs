namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// What a vCPU does right after a store to guest memory. A struct, so that the untraced loop compiles to no marking code at all.
/// </summary>
internal interface IWriteMark
{
    /// <summary>Notes that the word at this offset in RAM, in bytes, was written.</summary>
    void Mark(long offset);
}
