using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>The page of code that the kernel maps into every process (vdso(7)), read through /proc/PID/mem.</summary>
internal static class VdsoCode
{
    private static ReadOnlySpan<byte> SystemCallInstruction => [0x0f, 0x05];

    /// <summary>Finds a <c>syscall</c> instruction that the process can be made to execute.</summary>
    public static ulong FindSystemCallInstruction(int processId)
    {
        ProcessMapping vdso = ProcessMaps.Read(processId).FirstOrDefault(mapping => mapping.Path == "[vdso]")
            ?? throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"Process {processId} has no vDSO to execute a system call from.",
                "Boot the kernel without vdso=0.");

        var code = new byte[vdso.SizeBytes];
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/mem");
        using SafeFileHandle memory = OpenFile.ForReading(path);
        int count = PositionalIo.Read(memory, (long)vdso.Start, code);
        if (count < 0) throw Errno.Failure(-count, "pread", $"{path}, 0x{vdso.Start:x}");
        int index = code.AsSpan(0, count).IndexOf(SystemCallInstruction);
        if (index >= 0) return vdso.Start + (ulong)index;
        throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, $"The vDSO of process {processId} holds no syscall instruction.");
    }
}
