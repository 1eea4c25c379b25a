namespace VmMigration.Engine.Hosts;

/// <summary>Asks a host to adopt a QEMU that something else started. Serializable.</summary>
/// <param name="Name">Name to give the VM; null takes the one QEMU was started with.</param>
/// <param name="QmpSocketPath">Path of its QMP unix socket; nothing else may be connected to it.</param>
public sealed record VmRegistration(string? Name, string QmpSocketPath);
