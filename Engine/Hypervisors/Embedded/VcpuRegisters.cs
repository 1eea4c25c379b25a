namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>The register file of one embedded vCPU: all the state it has beside memory.</summary>
/// <param name="Steps">Steps of its program that it has run.</param>
/// <param name="RandomState">State of its random number generator.</param>
/// <param name="Checksum">Running checksum of what the program read; 0 for programs that read nothing.</param>
/// <param name="Cursor">The word (8 bytes) of its share that is written next, for programs that go in order; else 0.</param>
public record struct VcpuRegisters(long Steps, ulong RandomState, ulong Checksum, long Cursor);
