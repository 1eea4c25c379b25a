namespace VmMigration.Cmdlets;

/// <summary>How a file holds a virtual disk.</summary>
public enum DiskFormat
{
    /// <summary>The disk's bytes, one after the other.</summary>
    Raw = 1,

    /// <summary>QEMU's copy-on-write format, version 2 or 3 (docs/interop/qcow2.txt).</summary>
    Qcow2 = 2,
}
