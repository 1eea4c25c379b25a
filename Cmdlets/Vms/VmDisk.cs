namespace VmMigration.Cmdlets;

/// <summary>A disk of a QEMU guest. PowerShell makes it from a path, or from a hashtable with these properties.</summary>
public sealed class VmDisk
{
    private const string Qcow2 = "qcow2";
    private string? format;

    /// <summary>Makes an empty one, for hashtables.</summary>
    public VmDisk()
    {
    }

    /// <param name="path">Image file.</param>
    public VmDisk(string path) => Path = path;

    /// <summary>Image file; on storage both hosts reach under the same path, unless it is to move with the VM.</summary>
    public string Path { get; set; } = "";

    /// <summary>Image format; by default <c>qcow2</c> for files of that extension, else <c>raw</c>.</summary>
    public string Format
    {
        get => format ?? (Path.EndsWith("." + Qcow2, StringComparison.OrdinalIgnoreCase) ? Qcow2 : "raw");
        set => format = value;
    }

    /// <summary>Whether the guest may not write it.</summary>
    public bool ReadOnly { get; set; }

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
