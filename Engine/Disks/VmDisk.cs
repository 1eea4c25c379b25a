namespace VmMigration.Engine.Disks;

/// <summary>A disk of a VM, as it would move with it. Serializable.</summary>
public sealed record VmDisk
{
    /// <summary>Name within the VM, the same on every host: <c>disk0</c>, <c>disk1</c>, … in the order of its specification.</summary>
    public required string Name { get; init; }

    /// <summary>Absolute path of the image file that the VM has open.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// The image that would be copied: the one the VM has open, or the one below it where that is an overlay which an earlier migration
    /// made. Null where <see cref="Refused"/> says why it cannot be read.
    /// </summary>
    public DiskDescription? Image { get; init; }

    /// <summary>Whether the guest may not write it: it is copied as it is, and never frozen.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Why it cannot move while the VM runs, in a sentence that says what to do; null where it can.</summary>
    public string? Refused { get; init; }
}
