namespace VmMigration.Engine.Disks;

/// <summary>
/// An image that has arrived whole for a VM which has not arrived itself yet: another try of the migration need not bring it again.
/// </summary>
/// <param name="Path">Absolute path on this host.</param>
/// <param name="Source">The image at its source, with the generation it was copied from.</param>
/// <param name="Flattened">Whether a chain of overlays was copied into one image.</param>
/// <param name="Generation">The file here, as it was when it arrived.</param>
internal sealed record ArrivedDisk(string Path, DiskDescription Source, bool Flattened, DiskGeneration Generation);
