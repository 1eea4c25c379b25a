using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Hypervisors;

/// <summary>The disks of a VM whose hypervisor can freeze them under overlays, mirror those, and merge them again, while the VM runs.</summary>
public interface IVmDisks
{
    /// <summary>What the VM's specification says of its disks.</summary>
    IReadOnlyList<QemuDisk> Specified { get; }

    /// <summary>Changes what the specification says; the VM itself does not change. Records nothing.</summary>
    void Specify(IReadOnlyList<QemuDisk> disks);

    /// <summary>Asks which files the VM has open; one for each disk of the specification, and one for each that is not in it.</summary>
    Task<IReadOnlyList<VmDiskNode>> FindAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Puts the overlays that the specification names on top of all disks that it says have one and that have not, at one moment for all of
    /// them. When the task ends the guest writes the overlays, and nothing writes the images below.
    /// </summary>
    Task FreezeAsync(CancellationToken cancellationToken);

    /// <summary>Begins to copy a disk's overlay to the export of the same name behind a unix socket, and what is written meanwhile.</summary>
    /// <param name="name">The disk.</param>
    /// <param name="socketPath">Where an NBD server listens.</param>
    /// <param name="maxBytesPerSecond">Most bytes a second for what was written before; 0 means no limit.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    Task<IVmDiskMirror> MirrorAsync(string name, string socketPath, long maxBytesPerSecond, CancellationToken cancellationToken);

    /// <summary>
    /// Lets the disks of an incoming VM be written from outside, by the NBD protocol over a unix socket, each under its name. Disposal ends
    /// it: what was written is in the images then, as far as it was flushed.
    /// </summary>
    Task<IAsyncDisposable> ExportAsync(IReadOnlyList<string> names, string socketPath, CancellationToken cancellationToken);

    /// <summary>Chooses a path for a socket, in a directory that nobody else can enter; its user removes the socket.</summary>
    string ChooseSocketPath();

    /// <summary>Begins to write a disk's overlay into the image below; null where the guest uses that already.</summary>
    Task<IVmDiskMerge?> MergeAsync(string name, CancellationToken cancellationToken);

    /// <summary>Closes an image that no disk uses any more; does nothing where it is not open.</summary>
    Task CloseAsync(string path, CancellationToken cancellationToken);
}
