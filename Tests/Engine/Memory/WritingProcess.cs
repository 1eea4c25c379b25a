using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// A process that plays the VM's: it maps a RAM file and stores to it without end. A thread of the engine's own process must not wait in
/// faults that the same process handles: the garbage collector would wait for it.
/// </summary>
internal sealed class WritingProcess : IDisposable
{
    private const int SignalStop = 19;
    private const int SignalContinue = 18;

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("vmm-writer-");
    private readonly ForeignProcess process;

    public WritingProcess(RamFile ram, bool atRandom, long strideBytes = GuestMemory.PageSizeBytes)
    {
        string path = $"/proc/{Environment.ProcessId}/fd/{ram.File.DangerousGetHandle()}";
        string program = Path.Combine(directory.FullName, "writer");
        File.WriteAllBytes(
            program,
            new MemoryWriterProgram { Path = path, SizeBytes = ram.SizeBytes, AtRandom = atRandom, StrideBytes = strideBytes }.Build());
        process = ForeignProcess.Start($"chmod +x {program} && exec {program}");
        Eventually.Holds(() => File.ReadAllText($"/proc/{process.Id}/maps").Contains("vmmigration-test", StringComparison.Ordinal));
        Address = ProcessMaps.Read(process.Id).First(line => line.Path.Contains("vmmigration-test", StringComparison.Ordinal)).Start;
    }

    public ulong Address { get; }

    public PidFd PidFd => process.PidFd;

    public char State => process.State;

    public void Stop()
    {
        PidFd.SendSignal(SignalStop);
        Eventually.Holds(() => process.State == 'T');
    }

    public void Continue() => PidFd.SendSignal(SignalContinue);

    public void Dispose()
    {
        process.Dispose();
        directory.Delete(recursive: true);
    }
}
